//! The house rules: floors, registry, published schema, README.
