//! All roles in one process, over the embedded stores: what `demo`, `serve` and the whole-system tests start.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use domain::Now;
use orders::Book;
use queue::Line;
use service::Context;
use service::http::Limits;
use worker::OrderService;
use worker::order_service::HttpOrders;

use crate::Setup;
use crate::keys;

/// How often readiness is looked at, and how many times.
const READY_LOOK: Duration = Duration::from_millis(20);
const READY_LOOKS: u32 = 500;

/// A running system.
#[derive(Debug)]
pub struct System {
    /// Where the page is served.
    pub address: SocketAddr,
    /// Where health and metrics are served.
    pub admin_address: SocketAddr,
    /// The events of the book when it started.
    pub events: Vec<String>,
    /// The line.
    pub line: Line,
    /// The book.
    pub book: Book,
}

impl System {
    /// Starts everything on the context's tasks; stopping those stops it.
    pub async fn start(setup: Setup, context: &Context) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&setup.folder)
            .with_context(|| format!("cannot make the data folder {}", setup.folder.display()))?;
        let listener = service::http::bind(setup.listen)?;
        let admin_listener = service::http::bind(setup.admin_listen)?;
        let keys = Arc::new(keys::read_or_make(&setup.folder, &context.chance)?);
        let (line, book) = open(&setup.folder, context.now.clone()).await?;
        // The line's file lock is ours, so whoever led before is gone: nobody has to wait for its leases to run out.
        book.end_leases().await?;
        let orders = match &setup.worker.order_service {
            Some(base) => OrderService::Http(HttpOrders::new(base)),
            None => OrderService::Embedded(book.clone()),
        };
        let stores = (line.clone(), book.clone());
        worker::start(setup.worker, stores, orders, Arc::clone(&keys), &setup.events, context).await?;
        let events = book.events().await?.iter().map(|event| event.settings.id.to_string()).collect();
        let address = signup_service::start(setup.signup, line.clone(), keys, listener, context).await?;
        let admin = service::admin::routes(context);
        let admin_address = service::http::serve(admin_listener, admin, Limits::default(), context)?;
        Ok(Self { address, admin_address, events, line, book })
    }

    /// Waits until every part says that it is ready: the line is armed, the pages are made. Tells who is not, after ten seconds.
    pub async fn until_ready(&self, context: &Context) -> anyhow::Result<()> {
        let mut looks = tokio::time::interval(READY_LOOK);
        for _ in 0..READY_LOOKS {
            looks.tick().await;
            if context.health.readiness(false).ready {
                return Ok(());
            }
        }
        anyhow::bail!("not ready after ten seconds:\n{}", context.health.readiness(false).report)
    }

    /// Closes the stores. After this nothing is written any more.
    pub async fn close(self) {
        self.book.close().await;
    }
}

async fn open(folder: &Path, now: Now) -> anyhow::Result<(Line, Book)> {
    let line =
        Line::open_sqlite(&folder.join("line.db"), now.clone()).await.context("cannot open the line")?;
    let book = Book::open_sqlite(&folder.join("book.db"), now).await.context("cannot open the book")?;
    Ok((line, book))
}

/// Opens the stores of a folder for looking at them only.
pub(crate) async fn open_to_read(folder: &Path, now: Now) -> anyhow::Result<(Line, Book)> {
    anyhow::ensure!(
        folder.join("line.db").exists(),
        "there is no line in {}: name the data folder with --data",
        folder.display()
    );
    open(folder, now).await
}
