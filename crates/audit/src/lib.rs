//! Audit events and the seam through which they are recorded before their effect.
