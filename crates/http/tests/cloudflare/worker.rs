//! The Worker, run by miniflare.
