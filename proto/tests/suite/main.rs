//! The wire as both ends rely on it: golden files, hostile bytes, and two decoders that must agree.

mod batches;
mod decoding;
mod draw;
mod envelope;
mod golden;
mod samples;
