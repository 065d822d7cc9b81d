//! What the screen shows, and what the keys do. It knows no terminal and no network.

use std::collections::VecDeque;

use domain::Release;
use operator::response::{ChangeResponse, LiveResponse};
use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};

use super::feed::FeedMessage;
use super::history::History;
use super::review::{Review, WantedChange};
use crate::command::error::CommandError;

/// The most changes that are kept.
const CHANGES_MAX: usize = 8;
/// The factors of `+` and `-`.
const FASTER: f64 = 1.1;
const SLOWER: f64 = 0.9;
/// The lowest and the highest pace.
const PACE_MIN: f64 = 0.001;
const PACE_MAX: f64 = 100_000.0;

/// What the last line says.
#[derive(Debug)]
pub(super) enum Prompt {
    /// The keys.
    Keys,
    /// The result of the last key.
    Said(String),
    /// A change that waits for Enter.
    Asking(Review),
}

/// What a key asks for.
#[derive(Debug)]
pub(super) enum Intent {
    Nothing,
    Quit,
    /// Show what the change would do.
    Review(WantedChange),
    /// Make it.
    Apply(Review),
}

/// What the screen shows.
#[derive(Debug)]
pub(super) struct View {
    pub(super) live: Option<LiveResponse>,
    /// Why the figures are not those of now.
    pub(super) lost: Option<String>,
    pub(super) history: History,
    /// The newest first.
    pub(super) changes: VecDeque<ChangeResponse>,
    pub(super) prompt: Prompt,
    pub(super) may_change: bool,
}

impl View {
    pub(super) fn new(may_change: bool) -> Self {
        Self {
            live: None,
            lost: None,
            history: History::default(),
            changes: VecDeque::new(),
            prompt: Prompt::Keys,
            may_change,
        }
    }

    /// The changes before the first figures, the newest first.
    pub(super) fn set_changes(&mut self, changes: Vec<ChangeResponse>) {
        self.changes = changes.into();
    }

    /// Shows what came from the operator API.
    pub(super) fn take(&mut self, message: FeedMessage) {
        match message {
            FeedMessage::Lost(reason) => self.lost = Some(reason),
            FeedMessage::Live(live) => {
                self.lost = None;
                self.history.add(live.seconds.clone());
                if let Some(change) = &live.change {
                    self.add_change(change);
                }
                self.live = Some(*live);
            }
        }
    }

    fn add_change(&mut self, change: &ChangeResponse) {
        if self.changes.front().is_none_or(|newest| newest.at < change.at) {
            self.changes.push_front(change.clone());
            self.changes.truncate(CHANGES_MAX);
        }
    }

    /// What an input asks for.
    pub(super) fn press(&mut self, input: &Event) -> Intent {
        let Event::Key(KeyEvent { code, modifiers, .. }) = input else { return Intent::Nothing };
        let prompt = std::mem::replace(&mut self.prompt, Prompt::Keys);
        match (code, prompt) {
            (KeyCode::Char('c'), _) if modifiers.contains(KeyModifiers::CONTROL) => Intent::Quit,
            (KeyCode::Enter, Prompt::Asking(review)) => Intent::Apply(review),
            (_, Prompt::Asking(_)) => {
                self.prompt = Prompt::Said("Nothing was changed.".to_owned());
                Intent::Nothing
            }
            (KeyCode::Char('q') | KeyCode::Esc, _) => Intent::Quit,
            (KeyCode::Char(key), _) => self.change(*key),
            _ => Intent::Nothing,
        }
    }

    fn change(&mut self, key: char) -> Intent {
        let Some(live) = &self.live else { return Intent::Nothing };
        let pace = |factor: f64| {
            let now: f64 = live.event.pace.parse().unwrap_or(1.0);
            let next = (now * factor).clamp(PACE_MIN, PACE_MAX);
            WantedChange::Pace(format!("{}", (next * 1000.0).round() / 1000.0))
        };
        let wanted = match key {
            'p' if live.event.release == Release::Running => WantedChange::Pause,
            'p' => WantedChange::Resume,
            '+' | '=' => pace(FASTER),
            '-' => pace(SLOWER),
            _ => return Intent::Nothing,
        };
        if self.may_change {
            return Intent::Review(wanted);
        }
        self.prompt =
            Prompt::Said("This is for reading only: start it with --control to make changes.".to_owned());
        Intent::Nothing
    }

    /// Asks for the reviewed change.
    pub(super) fn reviewed(&mut self, review: Result<Review, CommandError>) {
        self.prompt = match review {
            Ok(review) => Prompt::Asking(review),
            Err(error) => Prompt::Said(error.text()),
        };
    }

    /// Says what became of the change.
    pub(super) fn applied(&mut self, changed: Result<ChangeResponse, CommandError>) {
        self.prompt = match changed {
            Ok(change) => {
                self.add_change(&change);
                Prompt::Said("Done. In the console it can be undone for five minutes.".to_owned())
            }
            Err(error) => Prompt::Said(error.text()),
        };
    }
}
