// Package allocator decides which Service holds which address. It writes
// nothing, watches nothing and keeps no time.
//
// [Assign] is the whole of it: the configuration, the [Ledger] of what is held
// and one Service in, an [Outcome] out. Assign changes nothing; the caller
// enters the outcome with [Ledger.Apply], and after a start first has the
// Ledger [Ledger.Adopt] what Services already hold.
//
// An address once given stays: it is taken away only if it is no longer the
// pool's to give, or if another Service has it and may not share it. A Service
// whose wish cannot be met keeps what it has and is told why.
//
// Layers: the set of addresses in use -> ledger and sharing (who holds what)
// -> vacancy (the first address one pool can give) -> order, request (which
// pools are asked) -> assign (what becomes of the Service, in which words).
package allocator
