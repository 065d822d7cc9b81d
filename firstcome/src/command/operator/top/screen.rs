//! The screen: figures with their last minutes, the seats, what is wrong, and the last changes.

use domain::{EventState, Release};
use operator::response::{EventResponse, LiveResponse};
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize as _};
use ratatui::text::Line;
use ratatui::widgets::{Gauge, Paragraph, RenderDirection, Sparkline, Wrap};

use super::super::format::{auto_pace_text, change_line, printable, release_name, time_text};
use super::view::{Prompt, View};

/// The widths of a figure's name and value; the rest of the row is its last minutes.
const NAME_WIDTH: u16 = 10;
const VALUE_WIDTH: u16 = 54;

/// Draws the screen.
pub(super) fn draw(frame: &mut Frame<'_>, view: &View) {
    let alerts = view.live.as_ref().map_or_else(Vec::new, |live| alerts(&live.event));
    let alerts_height = u16::try_from(alerts.len()).unwrap_or(u16::MAX);
    let rows = [
        Constraint::Length(2),
        Constraint::Length(alerts_height),
        Constraint::Length(8),
        Constraint::Length(3),
        Constraint::Min(1),
        Constraint::Length(2),
    ];
    let [head, alert_rows, figures, seats, changes, prompt] = Layout::vertical(rows).areas(frame.area());
    frame.render_widget(Paragraph::new(head_line(view)), head);
    frame.render_widget(Paragraph::new(alerts).style(Color::Red), alert_rows);
    if let Some(live) = &view.live {
        draw_figures(frame, figures, view, live);
        draw_seats(frame, seats, &live.event);
    }
    let lines: Vec<Line<'_>> = view.changes.iter().map(|change| Line::raw(change_line(change))).collect();
    frame.render_widget(Paragraph::new(lines), changes);
    frame.render_widget(Paragraph::new(prompt_line(view)).wrap(Wrap { trim: true }), prompt);
}

fn head_line(view: &View) -> Line<'static> {
    if let Some(reason) = &view.lost {
        return Line::from(format!("NOT LIVE: {}; trying again", printable(reason))).bold().red();
    }
    let Some(live) = &view.live else { return Line::from("waiting for the first figures") };
    let event = &live.event;
    let time = live.at.get(11..19).unwrap_or_default();
    let text = format!(
        "{}  {}  release {}  {time} UTC  rev {}",
        printable(&event.id),
        event.state.as_str(),
        release_name(event.release),
        event.rev
    );
    Line::from(text).bold()
}

/// What an operator must know at once, the most urgent first.
fn alerts(event: &EventResponse) -> Vec<Line<'static>> {
    let mut texts = Vec::new();
    if let Some(reason) = &event.frozen {
        texts.push(format!("FROZEN: {}", printable(reason)));
    }
    if !event.missing_journals.is_empty() {
        texts.push(format!("RECOVERING: {} journals are missing", event.missing_journals.len()));
    }
    if let Some(until) = &event.recover_until {
        texts.push(format!("RECOVERING until {}", printable(until)));
    }
    let is_over = event.state == EventState::Settled;
    match &event.queue {
        _ if is_over => {}
        None => texts.push("NO LEADER YET: a worker must run".to_owned()),
        Some(queue) if !queue.armed => texts.push("THE QUEUE ACCEPTS NOTHING: it is not armed".to_owned()),
        Some(_) => {}
    }
    if event.under_way.parked > 0 {
        texts.push(format!("PARKED: {} applications need a decision", event.under_way.parked));
    }
    if event.release != Release::Running && !is_over {
        texts.push(format!("RELEASE {}: no new order calls", release_name(event.release).to_uppercase()));
    }
    if !event.intake && !is_over {
        texts.push("INTAKE OFF: applications are refused".to_owned());
    }
    texts.into_iter().map(Line::from).collect()
}

fn draw_figures(frame: &mut Frame<'_>, area: Rect, view: &View, live: &LiveResponse) {
    let rows: [Rect; 4] = Layout::vertical([Constraint::Length(2); 4]).areas(area);
    let history = &view.history;
    let figures = [
        ("inflow", inflow_text(live), history.inflow()),
        ("waiting", waiting_text(live), history.waiting()),
        ("orders", orders_text(live), history.calls()),
        ("latency", latency_text(live), history.p95_ms()),
    ];
    for (row, (name, value, minutes)) in rows.into_iter().zip(figures) {
        let columns = [Constraint::Length(NAME_WIDTH), Constraint::Length(VALUE_WIDTH), Constraint::Min(0)];
        let [name_area, value_area, chart_area] = Layout::horizontal(columns).areas(row);
        frame.render_widget(Paragraph::new(name).style(Style::new().dim()), name_area);
        frame.render_widget(Paragraph::new(value), value_area);
        // The newest at the right edge.
        let newest_first: Vec<u64> = minutes.into_iter().rev().collect();
        let chart = Sparkline::default().data(newest_first).direction(RenderDirection::RightToLeft);
        frame.render_widget(chart.style(Color::Cyan), chart_area);
    }
}

fn inflow_text(live: &LiveResponse) -> String {
    let rate = live.recent.applied_per_s.map_or_else(|| "-".to_owned(), |rate| format!("{rate}/s"));
    let queue = live.event.queue.as_ref();
    let last = queue.map_or_else(String::new, |queue| format!("last number {}", grouped(queue.seq)));
    format!("{rate}\n{last}")
}

fn waiting_text(live: &LiveResponse) -> String {
    let Some(queue) = &live.event.queue else { return "-".to_owned() };
    let oldest = queue.oldest_wait_ms.and_then(|ms| u64::try_from(ms / 1000).ok());
    let oldest = oldest.map_or_else(String::new, |seconds| format!("the first waits {}", time_text(seconds)));
    let left =
        live.remaining_s.map_or_else(String::new, |seconds| format!("  time left {}", time_text(seconds)));
    format!("{}{left}\n{oldest}", grouped(queue.waiting))
}

fn orders_text(live: &LiveResponse) -> String {
    let (event, calls) = (&live.event, &live.recent.calls);
    let auto =
        event.auto_pace.as_ref().map_or_else(String::new, |auto| format!(" ({})", auto_pace_text(auto)));
    format!(
        "{} of {}/s{auto}\nin flight {}/{}  rejected {}  unclear {} in 10 s",
        live.recent.calls_per_s,
        printable(&event.pace),
        event.under_way.ordering,
        event.in_flight_max,
        calls.rejected,
        calls.unclear
    )
}

fn latency_text(live: &LiveResponse) -> String {
    let ms = |percentile: Option<u32>| percentile.map_or_else(|| "-".to_owned(), |ms| format!("{ms} ms"));
    let calls = &live.recent.calls;
    format!("p95 {}\np50 {}  p99 {}", ms(calls.p95_ms), ms(calls.p50_ms), ms(calls.p99_ms))
}

fn draw_seats(frame: &mut Frame<'_>, area: Rect, event: &EventResponse) {
    let seats = &event.seats;
    let label = format!(
        "sold {} of {}  held {}  free {}  called {}",
        grouped(seats.sold),
        grouped(event.capacity),
        grouped(seats.held),
        grouped(seats.free),
        grouped(event.under_way.called)
    );
    let ratio = f64::from(seats.sold.min(event.capacity)) / f64::from(event.capacity.max(1));
    let [bar, _] = Layout::vertical([Constraint::Length(1), Constraint::Min(0)]).areas(area);
    frame.render_widget(Gauge::default().ratio(ratio).label(label).gauge_style(Color::Green), bar);
}

fn prompt_line(view: &View) -> Line<'static> {
    match &view.prompt {
        Prompt::Said(text) => Line::from(printable(text)),
        Prompt::Asking(review) => {
            let line =
                Line::from(format!("{}.  Enter makes the change, any other key does not.", review.text()));
            if review.has_warning() { line.yellow() } else { line }
        }
        Prompt::Keys if view.may_change => Line::from("q quit   p pause or resume   + - pace").dim(),
        Prompt::Keys => Line::from("q quit   (for reading only; --control allows changes)").dim(),
    }
}

/// A number with its thousands apart.
fn grouped(number: u32) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A drawn screen as text, without spaces at the ends of the lines.
pub(super) fn text(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width.max(1));
    let lines = buffer.content.chunks(width).map(|row| {
        let line: String = row.iter().map(ratatui::buffer::Cell::symbol).collect();
        line.trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n").trim_end().to_owned()
}
