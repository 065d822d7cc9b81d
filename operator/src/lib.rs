//! The control room: operators open, close, pause and set the pace of events. It sees the book, never the line.

mod api;
mod applications;
mod audit;
mod config;
mod events;
mod given;
mod guard;
mod page;
mod refusal;
mod room;
mod settings;
mod shown;
mod token;
mod valves;
mod when;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use orders::Book;
use service::Context;
use service::http::Limits;

pub use api::{document, router};
pub use config::Config;
pub use room::Room;
pub use token::{Role, Token, hash_of, make_token};
pub use when::written;

/// Serves the room on its own listener until the tasks are stopped.
pub fn start(config: Config, book: Book, listener: TcpListener, ctx: &Context) -> anyhow::Result<SocketAddr> {
    let config = config.reached_at(listener.local_addr()?);
    let room = Arc::new(Room::new(config, book, ctx));
    room.watch_book(ctx);
    let limits = Limits { body_max: given::BODY_MAX as u64, connections_max: 256, ..Limits::default() };
    service::http::serve(listener, router(room)?, limits, ctx)
}
