//! The figures of the rule book, as tests of the reference itself.
