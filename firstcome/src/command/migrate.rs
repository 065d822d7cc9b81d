//! `firstcome migrate`: the tables of the ledger and the functions of the queue, as this program needs them.

use anyhow::{Context as _, anyhow};
use ledger::Ledger;
use queue::{Queue, RedisOptions, RedisRole};

use super::{Failed, Migrate};
use crate::output::say;
use crate::setup::{Role, Setup, Stores, load};

pub(super) async fn migrate(args: &Migrate) -> Result<(), Failed> {
    let mut settings = load(args.settings.config.as_deref(), &args.settings.set).map_err(Failed::Settings)?;
    let setup = Setup::read(&settings, Role::All, service::clock::system()());
    settings.finish().map_err(Failed::Settings)?;
    let Stores::Servers(servers) = setup.stores else {
        return Err(anyhow!("the embedded stores make their own tables: there is nothing to migrate").into());
    };
    Ledger::migrate(&servers.ledger).await.context("cannot migrate the ledger")?;
    say("the ledger's tables are as this program needs them");
    if args.roles {
        Ledger::grant_roles(&servers.ledger).await.context("cannot grant the ledger's roles")?;
        say("the ledger's roles have what they need");
    }
    let options = RedisOptions::new(&servers.queue, RedisRole::Worker);
    Queue::install_redis(&options).await.context("cannot install the queue's functions")?;
    say("the queue's functions are as this program needs them");
    Ok(())
}
