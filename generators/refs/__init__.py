"""References: lattices of types, objects, statements on them, casts that trap, digests."""
