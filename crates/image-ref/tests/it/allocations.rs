//! Where memory is allocated, and where it is not.

use std::fmt::{self, Write};
use std::hint::black_box;

use allocation_counter::measure;
use longshore_image_ref::{ImageRef, RefParts};

use crate::oracle::cases;

/// Counts what is written, without keeping it.
struct Count(usize);

impl Write for Count {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 += text.len();
        Ok(())
    }
}

#[test]
fn the_counter_counts() {
    let info = measure(|| drop(black_box(String::from("busybox"))));
    assert_eq!(info.count_total, 1);
}

#[test]
fn parsing_and_writing_the_borrowed_form_allocates_nothing() {
    for case in cases() {
        if case.answer.is_err() {
            continue;
        }
        let mut written = Count(0);
        let info = measure(|| {
            let parts = RefParts::parse(black_box(&case.input)).unwrap().with_default_tag();
            write!(written, "{}", parts.canonical()).unwrap();
            write!(written, "{}{}{}", parts.familiar(), parts.name(), parts.path()).unwrap();
            black_box((parts.domain(), parts.tag(), parts.digest(), parts.is_docker_hub()));
        });
        assert_eq!(info.count_total, 0, "{:?}", case.input);
        assert!(written.0 > 0);
    }
}

#[test]
fn clones_and_views_of_the_owned_form_allocate_nothing() {
    let image = ImageRef::parse("busybox:1.36").unwrap();
    let info = measure(|| {
        let clone = black_box(image.clone()).with_default_tag();
        black_box((clone.canonical(), clone.name(), clone.path(), clone.parts(), clone.familiar()));
    });
    assert_eq!(info.count_total, 0);
}
