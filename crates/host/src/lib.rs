//! What container backends share about the host: owner leases, run directories and cgroup files.

#![deny(missing_docs)]
