//! `output`: what a task writes, through attach to the reader.

use anyhow::Result;

use super::rivals::{Ours, bare_write};
use super::{engine, milliseconds};
use crate::api::Api;
use crate::frame::{Case, Plan};

const GIB: u64 = 1 << 30;

pub(crate) fn plan() -> Result<Plan> {
    let (host, image) = engine()?;
    let ours = Ours::open(&host, &image)?;
    let api = Api::new(&host)?;
    let what = "1-gib".to_owned();
    let our = milliseconds(1, move || ours.write(GIB));
    let bare = milliseconds(1, move || bare_write(&api, &image, GIB));
    Ok(Plan {
        name: "output",
        about: "One task that writes 1 GiB to its stdout, from nothing to removed: `longshore` takes the streams \
                apart and counts, `api` reads the bare socket and only counts."
            .to_owned(),
        unit: "ms",
        baseline: "api",
        rounds: 11,
        cases: vec![
            Case::new("longshore", what.clone(), our),
            Case::new("api", what, bare),
        ],
    })
}
