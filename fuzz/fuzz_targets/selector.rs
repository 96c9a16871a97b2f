//! Selectors: one text for one selector; sets know neither order nor repetition.
#![no_main]

use libfuzzer_sys::fuzz_target;
use steeple_types::{Selector, SelectorSet};

fuzz_target!(|text: &str| {
    if let Ok(selector) = text.parse::<Selector>() {
        assert_eq!(selector.to_string(), text);
        assert!(!selector.kind().is_empty() && !selector.kind().contains(':') && !selector.value().is_empty());
        assert_eq!(Selector::new(selector.kind(), selector.value()).as_ref(), Ok(&selector));
    }
    let all: Vec<Selector> = text.lines().filter_map(|line| line.parse().ok()).collect();
    let forwards: SelectorSet = all.iter().cloned().collect();
    let backwards: SelectorSet = all.iter().rev().chain(&all).cloned().collect();
    assert_eq!(forwards, backwards);
    assert!(all.iter().all(|selector| forwards.contains(selector)));
    let half: SelectorSet = all.iter().take(all.len() / 2).cloned().collect();
    assert!(forwards.is_superset(&half) && forwards.is_superset(&SelectorSet::default()));
    assert_eq!(half.is_superset(&forwards), half == forwards);
});
