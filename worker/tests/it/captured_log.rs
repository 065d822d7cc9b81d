//! Captures the log of a test.

use std::cell::RefCell;
use std::io::Write;
use std::rc::Rc;
use std::sync::Once;

use tracing_subscriber::fmt::MakeWriter;

thread_local! {
    static CAPTURED: RefCell<Option<Lines>> = const { RefCell::new(None) };
}

type Lines = Rc<RefCell<Vec<u8>>>;

/// The log of this thread, and so of all tasks of a test's runtime, until it is dropped.
pub(crate) struct CapturedLog(Lines);

impl CapturedLog {
    pub(crate) fn start() -> Self {
        // One subscriber for all tests: the interest of a thread's own subscriber is cached for other threads too.
        static SUBSCRIBER: Once = Once::new();
        SUBSCRIBER.call_once(|| {
            tracing_subscriber::fmt()
                .with_max_level(tracing::Level::TRACE)
                .with_ansi(false)
                .with_writer(CapturingWriter)
                .init();
        });
        let lines = Lines::default();
        CAPTURED.set(Some(Rc::clone(&lines)));
        Self(lines)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.borrow().clone()).unwrap()
    }

    /// How many lines contain the text.
    pub(crate) fn count(&self, text: &str) -> usize {
        self.text().lines().filter(|line| line.contains(text)).count()
    }
}

impl Drop for CapturedLog {
    fn drop(&mut self) {
        CAPTURED.set(None);
    }
}

/// Writes to the captured log of this thread, if there is one.
struct CapturingWriter;

impl Write for CapturingWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        CAPTURED.with_borrow(|captured| {
            if let Some(lines) = captured {
                lines.borrow_mut().extend_from_slice(bytes);
            }
        });
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for CapturingWriter {
    type Writer = Self;
    fn make_writer(&self) -> Self {
        Self
    }
}
