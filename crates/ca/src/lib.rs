//! The CA engine: profiles, prepare and sign, authority slots, the pure rotation decision.
