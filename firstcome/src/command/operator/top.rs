//! `firstcome top`: an event as it is now, on the whole terminal, with the changes that are made in a hurry.

mod feed;
mod history;
mod review;
mod screen;
mod view;

use std::io::IsTerminal as _;
use std::time::Duration;

use clap::Args;
use domain::EventId;
use operator::response::{ChangeList, EventList, MetricList};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{Event, KeyEventKind, read};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::client::{OperatorArgs, OperatorClient};
use crate::command::error::CommandError;
use feed::Feed;
use view::{Intent, View};

/// The size of the one screen that `--once` prints.
const ONCE_SIZE: (u16, u16) = (100, 24);
/// How long an answer to a key may take.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// How many changes are read at the start.
const CHANGES: u32 = 8;

#[derive(Debug, Args)]
pub(in crate::command) struct TopArgs {
    #[command(flatten)]
    operator: OperatorArgs,
    /// The event's id. Without it, the first event that is open, or else the first one.
    event: Option<EventId>,
    /// Allows changes: `p` pauses and resumes the release, `+` and `-` move the pace. Each shows its effect first.
    #[arg(long)]
    control: bool,
    /// Prints one screen as text, or as JSON with `--json`, and ends.
    #[arg(long, conflicts_with = "control")]
    once: bool,
}

/// Runs the command.
pub(super) async fn run(args: TopArgs) -> Result<(), CommandError> {
    let operator = OperatorClient::new(&args.operator)?;
    let event = match args.event {
        Some(event) => event,
        None => event_to_show(&operator).await?,
    };
    let is_terminal = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    if !is_terminal && !args.once {
        return Err(CommandError::usage("top needs a terminal; `top --once` prints one screen"));
    }
    let mut view = View::new(args.control);
    // Before the terminal changes: an unknown event or a wrong token ends the command as usual.
    let history: MetricList = operator.get(format!("/gate/adm/v1/list/metric/{event}?window_s=300")).await?;
    view.history.add(history.items);
    let path = format!("/audit/adm/v1/list/change?event={event}&limit={CHANGES}");
    view.set_changes(operator.get::<ChangeList>(path).await?.items);
    let mut feed = Feed::new(&operator, &event);
    if args.once {
        view.take(feed.next().await);
        let screen = as_text(&view)?;
        return match &view.live {
            Some(live) => operator.print(live, |_| screen),
            None => Err(CommandError::Failed(anyhow::anyhow!(screen))),
        };
    }
    let mut terminal = ratatui::init();
    let shown = show(&mut terminal, &operator, &event, &mut feed, view).await;
    ratatui::restore();
    shown
}

async fn event_to_show(operator: &OperatorClient) -> Result<EventId, CommandError> {
    let events: EventList = operator.get("/event/adm/v1/list/event".to_owned()).await?;
    let open = events.items.iter().find(|event| event.state == domain::EventState::Open);
    let event = open.or(events.items.first()).ok_or_else(|| CommandError::usage("there is no event yet"))?;
    event.id.parse().map_err(|_| CommandError::usage("the operator API names an event that is none"))
}

/// One screen as text.
fn as_text(view: &View) -> anyhow::Result<String> {
    let mut terminal = Terminal::new(TestBackend::new(ONCE_SIZE.0, ONCE_SIZE.1))?;
    terminal.draw(|frame| screen::draw(frame, view))?;
    Ok(screen::text(terminal.backend().buffer()))
}

async fn show(
    terminal: &mut ratatui::DefaultTerminal,
    operator: &OperatorClient,
    event: &EventId,
    feed: &mut Feed<'_>,
    mut view: View,
) -> Result<(), CommandError> {
    let mut keys = read_keys();
    loop {
        terminal.draw(|frame| screen::draw(frame, &view))?;
        let input = tokio::select! {
            message = feed.next() => { view.take(message); continue }
            input = keys.recv() => input,
        };
        // A closed channel means that the terminal is gone.
        let Some(input) = input else { return Ok(()) };
        match view.press(&input) {
            Intent::Nothing => {}
            Intent::Quit => return Ok(()),
            Intent::Review(change) => view.reviewed(in_time(change.review(operator, event)).await),
            Intent::Apply(review) => view.applied(in_time(review.apply(operator, event)).await),
        }
    }
}

/// The answer to a request, if it comes before the operator takes the screen for dead.
async fn in_time<T>(answer: impl Future<Output = Result<T, CommandError>>) -> Result<T, CommandError> {
    let late = || {
        anyhow::anyhow!(
            "no answer within {} s: see whether the change was made before you repeat it",
            ANSWER_MAX.as_secs()
        )
    };
    tokio::time::timeout(ANSWER_MAX, answer).await.unwrap_or_else(|_| Err(late().into()))
}

/// The input of the terminal, read by a thread of its own because reading blocks. It ends with the process.
fn read_keys() -> UnboundedReceiver<Event> {
    let (sender, keys) = unbounded_channel();
    std::thread::spawn(move || {
        while let Ok(input) = read() {
            let is_release = matches!(&input, Event::Key(key) if key.kind == KeyEventKind::Release);
            if !is_release && sender.send(input).is_err() {
                return;
            }
        }
    });
    keys
}

#[cfg(test)]
mod tests;
