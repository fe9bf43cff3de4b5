//! The lock of the engine, so that a test build can swap it for one whose interleavings are explored.

#[cfg(not(feature = "shuttle"))]
pub use parking_lot::{Mutex, MutexGuard};

#[cfg(feature = "shuttle")]
pub use explored::{Mutex, MutexGuard};

#[cfg(feature = "shuttle")]
mod explored {
    //! shuttle's lock with parking_lot's interface.

    pub use shuttle::sync::MutexGuard;

    /// A lock whose schedules shuttle explores.
    #[derive(Debug, Default)]
    pub struct Mutex<T>(shuttle::sync::Mutex<T>);

    impl<T> Mutex<T> {
        /// A lock around a value.
        pub fn new(value: T) -> Self {
            Self(shuttle::sync::Mutex::new(value))
        }

        /// Takes the lock. A panic of another holder does not matter here: the schedule ends with it.
        pub fn lock(&self) -> MutexGuard<'_, T> {
            self.0
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
        }
    }
}
