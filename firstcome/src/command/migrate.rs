//! `firstcome migrate`: the tables of the book and the functions of the line, as this program needs them.

use anyhow::{Context as _, anyhow};
use orders::Book;
use queue::{Line, RedisOptions, RedisRole};

use super::{Failed, Migrate};
use crate::said::say;
use crate::setup::{Role, Setup, Stores, load};

pub(super) async fn migrate(args: &Migrate) -> Result<(), Failed> {
    let mut settings = load(args.settings.config.as_deref(), &args.settings.set).map_err(Failed::Settings)?;
    let setup = Setup::read(&settings, Role::All, service::clock::system()());
    settings.finish().map_err(Failed::Settings)?;
    let Stores::Servers(servers) = setup.stores else {
        return Err(anyhow!("the embedded stores make their own tables: there is nothing to migrate").into());
    };
    Book::migrate(&servers.book).await.context("cannot migrate the book")?;
    say("the book's tables are as this program needs them");
    if args.roles {
        Book::grant_roles(&servers.book).await.context("cannot grant the book's roles")?;
        say("the book's roles have what they need");
    }
    let options = RedisOptions::new(&servers.line, RedisRole::Worker);
    Line::install_redis(&options).await.context("cannot install the line's functions")?;
    say("the line's functions are as this program needs them");
    Ok(())
}
