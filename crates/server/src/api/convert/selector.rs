//! Selectors of requests.

use steeple_proto::spire::api::types;
use steeple_store::Match;
use steeple_types::{Selector, SelectorError, SelectorSet};

/// Selectors as a set.
pub(crate) fn selectors_from_pb(selectors: &[types::Selector]) -> Result<SelectorSet, SelectorError> {
    selectors.iter().map(|selector| Selector::new(&selector.r#type, &selector.value)).collect()
}

/// A selector.
pub(crate) fn selector_to_pb(selector: &Selector) -> types::Selector {
    types::Selector { r#type: selector.kind().to_owned(), value: selector.value().to_owned() }
}

/// A filter by selectors, which must name at least one.
pub(crate) fn selector_filter(filter: &types::SelectorMatch) -> Result<(SelectorSet, Match), String> {
    let set = selectors_from_pb(&filter.selectors).map_err(|error| error.to_string())?;
    if set.is_empty() {
        return Err("empty selector set".to_owned());
    }
    Ok((set, super::behavior("selectors", filter.r#match)?))
}
