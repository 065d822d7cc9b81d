//! Draws docs/pictures/auto-pace.svg: `cargo run -p domain --example auto_pace_plot > docs/pictures/auto-pace.svg`.
#![expect(clippy::print_stdout, reason = "the drawing is its output")]

#[path = "../tests/auto_pace/simulation.rs"]
mod simulation;

use domain::AutoPace;
use simulation::{Second, Speed, run};

const SECONDS: i64 = 240;
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 150.0;

fn polyline(run: &[Second], top: f64, most: f64, f: impl Fn(&Second) -> f64) -> String {
    let points = (0_u32..).zip(run).map(|(n, second)| {
        let x = 50.0 + f64::from(n) * WIDTH / 240.0;
        format!("{x:.1},{:.1}", top + HEIGHT - f(second).min(most) / most * HEIGHT)
    });
    points.collect::<Vec<_>>().join(" ")
}

fn chart(run: &[Second], top: f64, most: f64, title: &str, f: impl Fn(&Second) -> f64) -> String {
    let (bottom, right) = (top + HEIGHT, 50.0 + WIDTH);
    let lines = polyline(run, top, most, f);
    format!(
        "<text x='50' y='{}' font-weight='600'>{title}</text>\n\
         <rect x='230' y='{top}' width='90' height='{HEIGHT}' fill='#f6e3c8'/>\n\
         <path d='M50 {top}V{bottom}H{right}' fill='none' stroke='#777'/>\n\
         <text x='44' y='{}' text-anchor='end'>{most}</text><text x='44' y='{bottom}' text-anchor='end'>0</text>\n\
         <polyline points='{lines}' fill='none' stroke='#1a56a8' stroke-width='2'/>\n",
        top - 8.0,
        top + 10.0
    )
}

fn main() -> Result<(), domain::pace::BadPace> {
    let auto = AutoPace { min: "10".parse()?, max: "120".parse()?, target_p95_ms: 1500 };
    let run = run(&auto, "120".parse()?, SECONDS, |second| {
        let is_slow = (60..90).contains(&second);
        if is_slow {
            Speed { capacity: 50.0, latency_ms: 900.0 }
        } else {
            Speed { capacity: 150.0, latency_ms: 300.0 }
        }
    });
    let target = 240.0 + HEIGHT - 1.5 / 6.0 * HEIGHT;
    println!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 800 430' font-family='system-ui, sans-serif' font-size='13'>\n\
         <rect width='800' height='430' fill='#fff'/>\n{}{}\
         <path d='M50 {target}H770' stroke='#a31515' stroke-dasharray='5 4'/><text x='766' y='{}' text-anchor='end' fill='#a31515'>target 1.5 s</text>\n\
         <text x='275' y='410' text-anchor='middle'>three times slower</text><text x='50' y='410'>0 s</text><text x='770' y='410' text-anchor='end'>240 s</text>\n</svg>",
        chart(&run, 35.0, 130.0, "Pace, order calls per second", |second| second.pace),
        chart(&run, 240.0, 6.0, "Order p95, seconds", |second| second.p95_ms / 1000.0),
        target - 5.0,
    );
    Ok(())
}
