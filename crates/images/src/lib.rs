//! What container backends share about images: credentials, single-flight pulls, pull policy, retry and cache accounting.

#![deny(missing_docs)]
