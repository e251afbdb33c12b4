//! Container statistics: samples, series, decimation and the conversion of an engine's figures.

#![deny(missing_docs)]
