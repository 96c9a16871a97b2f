//! Authorisation: who may call which RPC.
