#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mdss_relay_fuzz_targets::faas_batch(bytes));
