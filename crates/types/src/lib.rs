//! The vocabulary of SPIFFE: IDs, trust domains, selectors, entries, nodes, bundles. Always valid once built; no I/O.
