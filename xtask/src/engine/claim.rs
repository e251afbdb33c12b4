//! Which range of addresses belongs to which private engine of this machine. Routes alone do not
//! tell: two engines that start at once see the same, and Podman makes its bridge late.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use anyhow::{Context, Result};
use rustix::fs::{FlockOperation, flock};

use super::network::Range;

/// For all workspaces of the machine. What is in it ends with the machine, as bridges do.
const CLAIMS: &str = "/run/longshore-ranges";

/// Claims a free range for the engine in a folder and notes it there, in `pool`.
pub(super) fn claim(dir: &Path, pool: &Path) -> Result<Range> {
    claim_in(Path::new(CLAIMS), dir, pool, Range::without_route()?)
}

/// The range that the engine in a folder has claimed.
pub(super) fn claimed(dir: &Path, pool: &Path) -> Option<Range> {
    claimed_in(Path::new(CLAIMS), dir, pool)
}

/// Gives a range up, once its bridges are gone.
pub(super) fn give_up(range: Range) -> Result<()> {
    let claim = Path::new(CLAIMS).join(range.to_string());
    fs::remove_file(&claim).with_context(|| format!("remove {}", claim.display()))
}

fn claim_in(
    claims: &Path,
    dir: &Path,
    pool: &Path,
    free: impl IntoIterator<Item = Range>,
) -> Result<Range> {
    fs::create_dir_all(claims).with_context(|| format!("make {}", claims.display()))?;
    let lock = File::create(claims.join("lock")).context("make the lock of the ranges")?;
    flock(&lock, FlockOperation::LockExclusive).context("lock the ranges")?;
    for range in free {
        let claim = claims.join(range.to_string());
        if holder(&claim).is_some_and(|holder| holder != *dir && holds(&holder, pool, range)) {
            continue;
        }
        fs::write(&claim, dir.as_os_str().as_bytes()).context("note who has the range")?;
        fs::write(pool, range.pool()).context("write the pool of addresses")?;
        return Ok(range);
    }
    anyhow::bail!("every range from 10.100.0.0/16 to 10.199.0.0/16 is taken")
}

fn claimed_in(claims: &Path, dir: &Path, pool: &Path) -> Option<Range> {
    let range = Range::of_pool(&fs::read_to_string(pool).ok()?)?;
    (holder(&claims.join(range.to_string()))? == *dir).then_some(range)
}

fn holder(claim: &Path) -> Option<std::path::PathBuf> {
    Some(Path::new(OsStr::from_bytes(&fs::read(claim).ok()?)).to_owned())
}

/// Whether the engine in `dir` still has the range. One whose folder is gone has nothing.
fn holds(dir: &Path, pool: &Path, range: Range) -> bool {
    let noted = pool.file_name().and_then(|name| fs::read_to_string(dir.join(name)).ok());
    noted.and_then(|pool| Range::of_pool(&pool)) == Some(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_its_first_claimants_until_that_ones_folder_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let claims = folder.path().join("claims");
        let engine = |name: &str| {
            let dir = folder.path().join(name);
            fs::create_dir_all(&dir).unwrap();
            (dir.clone(), dir.join("pool"))
        };
        let ranges: Vec<Range> = ["10.101.128.0/17", "10.102.128.0/17"]
            .iter()
            .filter_map(|p| Range::of_pool(p))
            .collect();
        let (one, one_pool) = engine("one");
        let (two, two_pool) = engine("two");
        let (three, three_pool) = engine("three");
        let first = claim_in(&claims, &one, &one_pool, ranges.clone()).unwrap();
        let second = claim_in(&claims, &two, &two_pool, ranges.clone()).unwrap();
        assert_eq!([first, second], ranges[..]);
        assert!(claim_in(&claims, &three, &three_pool, ranges.clone()).is_err());
        assert_eq!(claimed_in(&claims, &one, &one_pool), Some(first));
        // A copied folder names a range that it doesn't have.
        fs::copy(&one_pool, &three_pool).unwrap();
        assert_eq!(claimed_in(&claims, &three, &three_pool), None);
        fs::remove_dir_all(&one).unwrap();
        assert_eq!(claim_in(&claims, &three, &three_pool, ranges).unwrap(), first);
        assert_eq!(claimed_in(&claims, &three, &three_pool), Some(first));
    }
}
