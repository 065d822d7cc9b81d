//! `firstcome migrate`: creates or updates the tables of the ledger and the functions of the queue.

use anyhow::{Context as _, anyhow};
use clap::Args;
use ledger::Ledger;
use queue::{Queue, RedisOptions, RedisRole};

use super::error::CommandError;
use super::settings::SettingsArgs;
use crate::output::print;
use crate::setup::{ProcessRole, Stores};

#[derive(Debug, Args)]
pub(super) struct MigrateArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Also creates the database roles of the ledger and grants their rights; the database user needs CREATEROLE.
    #[arg(long)]
    database_roles: bool,
}

/// Runs the command.
pub(super) async fn run(args: &MigrateArgs) -> Result<(), CommandError> {
    let (setup, _) = args.settings.read(ProcessRole::All, service::clock::system_now())?;
    let Stores::External(servers) = setup.stores else {
        return Err(anyhow!("embedded stores create their own tables: nothing to migrate").into());
    };
    Ledger::migrate(&servers.ledger).await.context("cannot migrate the ledger")?;
    print("the tables of the ledger are up to date");
    if args.database_roles {
        Ledger::grant_roles(&servers.ledger).await.context("cannot grant the roles of the ledger")?;
        print("the roles of the ledger are up to date");
    }
    let options = RedisOptions::new(&servers.queue, RedisRole::Worker);
    Queue::install_redis(&options).await.context("cannot install the functions of the queue")?;
    print("the functions of the queue are up to date");
    Ok(())
}
