//! doctor
use crate::failure::Failure;
/// x
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}
pub(crate) async fn main(_: Args) -> Result<u8, Failure> {
    Ok(0)
}
