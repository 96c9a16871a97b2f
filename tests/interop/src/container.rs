//! Container engines in a folder of their own, and the one image that runs in them.
