//! The steps of the order dispatchers, and of the order service: lease a call, send it, record the response. A response can be lost, and
//! a lease can expire at any time.

use domain::ApplicationState;
use domain::application::Step as ApplicationStep;

use crate::protocol::{Protocol, Step};
use crate::state::{Call, Dispatcher, Order, Response, System, capped};

/// A step of a dispatcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum DispatcherStep {
    Lease { dispatcher: usize, who: usize },
    Send { dispatcher: usize, is_accepted: bool, is_response_lost: bool },
    Record { dispatcher: usize },
}

pub(crate) fn enabled(protocol: &Protocol, system: &System, steps: &mut Vec<Step>) {
    let mut add = |step| steps.push(Step::Dispatcher(step));
    for (dispatcher, state) in system.dispatchers.iter().enumerate() {
        match state {
            Dispatcher::Idle if system.leases >= protocol.leases => {}
            Dispatcher::Idle => {
                for who in (0..protocol.people).filter(|who| is_due(system, *who)) {
                    add(DispatcherStep::Lease { dispatcher, who });
                }
            }
            Dispatcher::Leased(call) => {
                add(DispatcherStep::Send { dispatcher, is_accepted: true, is_response_lost: false });
                add(DispatcherStep::Send { dispatcher, is_accepted: true, is_response_lost: true });
                if call.is_put && system.orders[call.who] == Order::None {
                    add(DispatcherStep::Send { dispatcher, is_accepted: false, is_response_lost: false });
                }
            }
            Dispatcher::Answered(..) => add(DispatcherStep::Record { dispatcher }),
        }
    }
}

fn is_due(system: &System, who: usize) -> bool {
    system.ledger.rows[who].is_some_and(|row| match row.state {
        ApplicationState::Ordering { .. } => row.in_queue,
        ApplicationState::Undoing { .. } => true,
        _ => false,
    })
}

pub(crate) fn apply(system: &mut System, step: DispatcherStep) -> Option<()> {
    match step {
        DispatcherStep::Lease { dispatcher, who } => {
            let row = system.ledger.rows[who].as_mut()?;
            row.state = capped(row.state.after(ApplicationStep::Call)?);
            row.fence += 1;
            let is_put = matches!(row.state, ApplicationState::Ordering { .. });
            system.dispatchers[dispatcher] = Dispatcher::Leased(Call { who, is_put, fence: row.fence });
            system.leases += 1;
        }
        DispatcherStep::Send { dispatcher, is_accepted, is_response_lost } => {
            let Dispatcher::Leased(call) = system.dispatchers[dispatcher] else { return None };
            let response = respond(&mut system.orders[call.who], call.is_put, is_accepted);
            system.dispatchers[dispatcher] =
                if is_response_lost { Dispatcher::Idle } else { Dispatcher::Answered(call, response) };
        }
        DispatcherStep::Record { dispatcher } => {
            let Dispatcher::Answered(call, response) = system.dispatchers[dispatcher] else { return None };
            system.dispatchers[dispatcher] = Dispatcher::Idle;
            record(system, call, response);
        }
    }
    Some(())
}

/// The order service: the contract of docs/order-service.md.
fn respond(order: &mut Order, is_put: bool, is_accepted: bool) -> Response {
    let (after, response) = match (is_put, *order) {
        (false, _) | (true, Order::Deleted) => (Order::Deleted, Response::Deleted),
        (true, Order::Live) => (Order::Live, Response::Created),
        (true, Order::None) if is_accepted => (Order::Live, Response::Created),
        (true, Order::None | Order::Rejected) => (Order::Rejected, Response::Rejected),
    };
    *order = after;
    response
}

/// Records a response under the fence of its call.
fn record(system: &mut System, call: Call, response: Response) {
    let Some(row) = system.ledger.rows[call.who].as_mut().filter(|row| row.fence == call.fence) else {
        return;
    };
    let step = match (call.is_put, response) {
        (true, Response::Created) => Some(ApplicationStep::OrderAccepted),
        (true, Response::Rejected) => Some(ApplicationStep::OrderRejected),
        (false, Response::Deleted) => Some(ApplicationStep::OrderDeleted),
        _ => None,
    };
    if let Some(next) = step.and_then(|step| row.state.after(step)) {
        row.state = capped(next);
    }
    row.fence += 1;
}
