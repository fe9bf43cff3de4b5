//! Everything impure, behind small traits.

pub mod clock;
pub mod disk;
pub mod histogram;
pub mod huge_pages;
pub mod priority;
pub mod sabotage;
pub mod sync;
pub mod vitals;
