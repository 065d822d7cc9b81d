//! Opening the stores that the settings name.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use domain::Now;
use orders::Book;
use queue::{Line, RedisOptions, RedisRole};
use service::health::Check;

use crate::setup::{Role, Servers, Stores};

/// How soon a door tries again to reach its line.
const AGAIN: Duration = Duration::from_secs(1);

/// The line and the book, each for a role that needs it from the start; a door takes its line later.
pub(crate) async fn open(
    stores: &Stores,
    role: Role,
    now: Now,
) -> anyhow::Result<(Option<Line>, Option<Book>)> {
    match stores {
        Stores::Embedded { folder } => {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("cannot make the data folder {}", folder.display()))?;
            let (line, book) = open_files(folder, now).await?;
            // The line's file lock is ours, so whoever led before is gone: nobody has to wait for its leases to run out.
            book.end_leases().await?;
            Ok((Some(line), Some(book)))
        }
        Stores::Servers(servers) => {
            let line = if role.has_keys() { Some(open_line(servers, line_role(role)).await?) } else { None };
            let book = if role.has_book() { Some(open_book(servers).await?) } else { None };
            Ok((line, book))
        }
    }
}

/// Line and book for looking at them only.
pub(crate) async fn open_to_read(stores: &Stores, now: Now) -> anyhow::Result<(Line, Book)> {
    match stores {
        Stores::Embedded { folder } => {
            let exists = folder.join("line.db").exists();
            ensure!(exists, "there is no line in {}: name the data folder with --data", folder.display());
            open_files(folder, now).await
        }
        Stores::Servers(servers) => {
            Ok((open_line(servers, RedisRole::Verify).await?, open_book(servers).await?))
        }
    }
}

/// The line for a door on its own, as soon as it can be reached. Until then the check says why not.
pub(crate) async fn open_for_door(servers: Servers, check: Check) -> Line {
    let mut told = String::new();
    loop {
        match open_line(&servers, RedisRole::Gateway).await {
            Ok(line) => {
                check.ok();
                return line;
            }
            Err(error) => {
                let why = format!("{error:#}");
                check.warn(&*why);
                if why != told {
                    tracing::warn!("{why}; trying again each second");
                    told = why;
                }
            }
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn open_files(folder: &Path, now: Now) -> anyhow::Result<(Line, Book)> {
    let line =
        Line::open_sqlite(&folder.join("line.db"), now.clone()).await.context("cannot open the line")?;
    let book = Book::open_sqlite(&folder.join("book.db"), now).await.context("cannot open the book")?;
    Ok((line, book))
}

async fn open_line(servers: &Servers, role: RedisRole) -> anyhow::Result<Line> {
    Line::open_redis(RedisOptions::new(&servers.line, role)).await.context("cannot open the line")
}

fn line_role(role: Role) -> RedisRole {
    match role {
        Role::Signup => RedisRole::Signup,
        Role::Gateway => RedisRole::Gateway,
        Role::All | Role::Worker | Role::Operator => RedisRole::Worker,
    }
}

async fn open_book(servers: &Servers) -> anyhow::Result<Book> {
    Book::open_postgres(&servers.book, servers.book_connections).await.context("cannot open the book")
}
