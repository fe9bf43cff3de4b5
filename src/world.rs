//! Everything impure, behind small traits.

pub mod clock;
