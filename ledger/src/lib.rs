//! The ledger: event settings, seats, admitted applications, outcomes, the audit and the outbox. Outcomes are decided here and
//! nowhere else. The crate does not know the queue; the worker carries data between the two.

mod admin;
mod calls;
mod leader;
mod outbox;
mod store;
mod tables;
mod webhook;

pub use admin::adjust_pace::AUTO_ACTOR;
pub use admin::audit::{AuditAction, AuditCursor, AuditRow, ChangedBy};
pub use admin::audit_chain::{AuditChain, BrokenLink};
pub use admin::change::{Change, EventPatch};
pub use admin::change_error::ChangeError;
pub use admin::change_event::{ChangePreview, ChangeResult};
pub use admin::create_event::CreateResult;
pub use admin::keep_times::EventTimes;
pub use calls::call_lease::{CALL_LEASE_MS, Call, CallKind, LeasedCalls};
pub use calls::embedded_orders::OrderRow;
pub use calls::parked::EndParked;
pub use calls::response::{ATTEMPTS_MAX, CallResult, OrderResponse};
pub use leader::admission::{ADMIT_MAX, Admission, Candidate, QueueReading};
pub use leader::called::CalledProjection;
pub use leader::epoch::NewEpoch;
pub use leader::inbox::{InboxAction, InboxRequest};
pub use leader::leader_lease::Leadership;
pub use leader::lifecycle::SettleResult;
pub use leader::projection::OutcomeProjection;
pub use leader::queue_status::QueueStatus;
pub use leader::reconciliation::{QueueRecord, Reconciled};
pub use outbox::delivery::OutboxCursor;
pub use outbox::status::TargetStatus;
pub use store::error::Error;
pub use store::ledger::Ledger;
pub use tables::activity::{ACTIVITY_SECONDS, ActivityRow, CallActivity};
pub use tables::application::{AdmittedApplication, ApplicationRow, OpenApplications, UndoneBy};
pub use tables::event::EventRow;
pub use tables::journal::{JournalReport, RegisteredJournal};
pub use tables::result::EventResult;
pub use tables::seat::SeatRow;
pub use tables::seat_state::{SeatState, Seats};
pub use tables::timeline::ApplicationName;
pub use webhook::change_endpoint::{EndpointChange, EndpointPatch};
pub use webhook::delivery::{Attempt, DeliveryResult, WebhookDelivery};
pub use webhook::delivery_log::{DeliveryFilter, DeliveryRange, DeliveryRow};
pub use webhook::endpoint::{EndpointRow, EndpointSettings, EndpointState};
