//! A small, deliberately fragile shop: what demos and load tests protect. It is no part of the product.
