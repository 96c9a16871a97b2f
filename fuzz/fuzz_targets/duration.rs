//! Durations as Go writes them: what is written reads the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use steeple_config::{format_duration, parse_duration};

fuzz_target!(|text: &str| {
    match parse_duration(text) {
        Ok(duration) => assert_eq!(parse_duration(&format_duration(duration)), Ok(duration), "{text:?}"),
        Err(error) => assert!(error.starts_with("time: ") || error.contains(" is negative; "), "{error}"),
    }
});
