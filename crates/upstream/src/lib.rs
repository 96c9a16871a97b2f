//! Upstream authorities.
