//! What the worker writes into the log, kept for the test.

use std::cell::RefCell;
use std::io::Write;
use std::rc::Rc;
use std::sync::Once;

use tracing_subscriber::fmt::MakeWriter;

thread_local! {
    static KEPT: RefCell<Option<Lines>> = const { RefCell::new(None) };
}

type Lines = Rc<RefCell<Vec<u8>>>;

/// The log of this thread, and so of all tasks of a test's runtime, for as long as it is held.
pub(crate) struct Log(Lines);

impl Log {
    pub(crate) fn keep() -> Self {
        // One subscriber for all tests: which lines one of a thread's own wants is remembered for other threads too.
        static SUBSCRIBER: Once = Once::new();
        SUBSCRIBER.call_once(|| {
            tracing_subscriber::fmt()
                .with_max_level(tracing::Level::TRACE)
                .with_ansi(false)
                .with_writer(ToKeeper)
                .init();
        });
        let lines = Lines::default();
        KEPT.set(Some(Rc::clone(&lines)));
        Self(lines)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.borrow().clone()).unwrap()
    }

    /// How many lines hold this.
    pub(crate) fn count(&self, what: &str) -> usize {
        self.text().lines().filter(|line| line.contains(what)).count()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        KEPT.set(None);
    }
}

/// Writes to whoever keeps the log of this thread.
struct ToKeeper;

impl Write for ToKeeper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        KEPT.with_borrow(|kept| {
            if let Some(lines) = kept {
                lines.borrow_mut().extend_from_slice(bytes);
            }
        });
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for ToKeeper {
    type Writer = Self;
    fn make_writer(&self) -> Self {
        Self
    }
}
