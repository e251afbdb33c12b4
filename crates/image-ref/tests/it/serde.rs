//! An owned reference in serde's formats.

use longshore_image_ref::ImageRef;

#[test]
fn a_reference_is_written_as_its_canonical_text() {
    let image = ImageRef::parse("busybox:1.36").unwrap();
    let json = serde_json::to_string(&image).unwrap();
    assert_eq!(json, r#""docker.io/library/busybox:1.36""#);
    assert_eq!(serde_json::from_str::<ImageRef>(&json).unwrap(), image);
}

#[test]
fn a_reference_is_read_in_any_form() {
    // With an escape, so that the text can't be borrowed from the input.
    let image: ImageRef = serde_json::from_str(r#""busybox\u003a1.36""#).unwrap();
    assert_eq!(image.canonical(), "docker.io/library/busybox:1.36");
}

#[test]
fn what_is_no_reference_is_refused_with_the_reason() {
    let error = serde_json::from_str::<ImageRef>(r#""Foo""#).unwrap_err().to_string();
    assert!(error.contains("invalid image reference \"Foo\": expected a lower-case"), "{error}");
    let error = serde_json::from_str::<ImageRef>("5").unwrap_err().to_string();
    assert!(error.contains("expected an image reference"), "{error}");
}
