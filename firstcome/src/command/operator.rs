//! The commands that are clients of the operator API.

mod announcement;
mod application;
mod audit;
mod capacity;
mod client;
mod confirm;
mod event;
mod format;
mod outbox;
mod pace;
mod release;
mod top;
mod webhook;

use clap::Subcommand;

use super::error::CommandError;

#[derive(Debug, Subcommand)]
pub(super) enum OperatorCommand {
    /// Creates, shows and changes events through the operator API.
    Event(event::EventArgs),
    /// Pauses and resumes the release of waiting applications through the operator API.
    Release(release::ReleaseArgs),
    /// Shows and sets the rate of order calls through the operator API.
    Pace(pace::PaceArgs),
    /// Sets the number of seats of an event through the operator API.
    Capacity(capacity::CapacityArgs),
    /// Sets the announcement on the page of an event through the operator API.
    Announcement(announcement::AnnouncementArgs),
    /// Lists the recorded changes through the operator API.
    Audit(audit::AuditArgs),
    /// Shows how far domain events are delivered, and sends them again, through the operator API.
    Outbox(outbox::OutboxArgs),
    /// Creates and shows webhook endpoints, and the deliveries to them, through the operator API.
    Webhook(webhook::WebhookArgs),
    /// Lists and ends parked applications through the operator API.
    Application(application::ApplicationArgs),
    /// Shows an event as it is now on the whole terminal, through the operator API.
    Top(top::TopArgs),
}

/// Runs the command.
pub(super) async fn run(command: OperatorCommand) -> Result<(), CommandError> {
    match command {
        OperatorCommand::Event(args) => event::run(args).await,
        OperatorCommand::Release(args) => release::run(args).await,
        OperatorCommand::Pace(args) => pace::run(args).await,
        OperatorCommand::Capacity(args) => capacity::run(args).await,
        OperatorCommand::Announcement(args) => announcement::run(args).await,
        OperatorCommand::Audit(args) => audit::run(args).await,
        OperatorCommand::Outbox(args) => outbox::run(args).await,
        OperatorCommand::Webhook(args) => webhook::run(args).await,
        OperatorCommand::Application(args) => application::run(args).await,
        OperatorCommand::Top(args) => top::run(args).await,
    }
}
