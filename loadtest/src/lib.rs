//! Load against a running system: a crowd that applies, shoppers that browse. Never linked into the program.
