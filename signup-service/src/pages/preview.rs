//! Every state of the pages with sample data, for operators and for the tests. These pages are below `int`, so the gateway never
//! forwards them. They send nothing: their policy allows neither requests nor forms.

mod sample;
mod states;

use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;
use service::Language;

use super::context::PageContext;
use super::error::PageError;
use super::frame::{Frame, json_for_script, render};
use super::look::extended_policy;
use super::response::PageResponse;
use super::shell::policy;
use super::templates::{PreviewListTemplate, PreviewRow};
use crate::error::Error;
use crate::messages::{self, PageText, Tone};
use crate::request::PathParameter;
use crate::state::SignupState;
use sample::SampleEvent;
use states::{SampleState, Shown};

/// The path of a preview, without its state.
const GET: &str = "/signup/int/v1/get/preview";

/// `GET /signup/int/v1/list/preview`: links to the previews of all states.
pub(crate) async fn list(State(signup): State<Arc<SignupState>>, context: PageContext) -> impl IntoResponse {
    let text = signup.text(context.language);
    let event = context.query.get("event");
    let event =
        signup.documents(event).map_or_else(|_| String::new(), |known| known.snapshot.event.to_string());
    let rows = SampleState::ALL.iter().map(|state| row(state.name, &event)).collect();
    let frame = Frame {
        heading: text.preview.title.to_owned(),
        lede: text.preview.text.to_owned(),
        ..Frame::new(&signup.shell.wait, text, text.list.title, "list")
    };
    PageResponse::new(&context, &signup.shell.wait, render(&PreviewListTemplate { frame, rows }))
}

fn row(state: &'static str, event: &str) -> PreviewRow {
    let mut links = Vec::new();
    for (language, tone, name) in
        [("ko", "friendly", "해요체"), ("ko", "formal", "합니다체"), ("en", "friendly", "English")]
    {
        for scheme in ["light", "dark"] {
            let href = format!("{GET}/{state}?lang={language}&tone={tone}&scheme={scheme}&event={event}");
            links.push((href, format!("{name} {}", if scheme == "light" { "☀" } else { "☾" })));
        }
    }
    PreviewRow { state, links }
}

/// `GET /signup/int/v1/get/preview/{state}`: one state. In the query: `lang`, `tone`, `scheme`, and the `event` that gives its texts.
pub(crate) async fn get(
    State(signup): State<Arc<SignupState>>,
    PathParameter(state): PathParameter,
    context: PageContext,
) -> Result<impl IntoResponse, PageError> {
    let found = SampleState::ALL.iter().find(|known| known.name == state);
    let state = found.ok_or_else(|| PageError::new(Error::UnknownPage, &context))?;
    let text = text_of(&signup, &context);
    let settings = signup.documents(context.query.get("event")).ok();
    let settings = settings.map(|documents| documents.snapshot.settings.clone());
    let event = SampleEvent::new(&signup, settings, text);
    let html = (state.html)(&event);
    let shown = (state.shown)(text);
    let page = fixed(&signup, &html, &shown, context.query.get("scheme"), event.picture_url());
    Ok(PageResponse::new(&context, &signup.shell.wait, page.text).with_policy(page.policy))
}

fn text_of(signup: &SignupState, context: &PageContext) -> &'static PageText {
    match (context.language, context.query.get("tone").parse::<Tone>()) {
        (Language::Korean, Ok(tone)) => messages::of(context.language, tone),
        _ => signup.text(context.language),
    }
}

struct FixedPage {
    text: String,
    policy: axum::http::HeaderValue,
}

/// The page in a color scheme, with a script that shows what the page's own script would show, and does nothing else.
fn fixed(signup: &SignupState, html: &str, shown: &Shown, scheme: &str, picture_url: &str) -> FixedPage {
    let dark = "@media(prefers-color-scheme:dark)";
    let in_scheme = |css: &str| match scheme {
        "dark" => css.replace(dark, "@media all").replace("light dark", "dark"),
        "light" => css.replace(dark, "@media not all").replace("light dark", "light"),
        _ => css.to_owned(),
    };
    let mut body = html.split("<script").next().unwrap_or_default().to_owned();
    let styles = html.split("<style>").skip(1).filter_map(|rest| rest.split("</style>").next());
    let mut styles_in_scheme = Vec::new();
    for css in styles {
        let css_in_scheme = in_scheme(css);
        body = body.replace(css, &css_in_scheme);
        styles_in_scheme.push(css_in_scheme);
    }
    let script = signup.shell.preview.as_str();
    let data = json_for_script(&shown.to_json());
    let text = format!(
        "{body}<script type=\"application/json\" id=\"data\">{data}</script>\n<script>{script}</script>\n</body>\n</html>\n"
    );
    let own = policy(styles_in_scheme.first().map_or("", String::as_str), script, "'none'", "");
    let with_look = styles_in_scheme.get(1).map(|css| extended_policy(&own, css, picture_url));
    FixedPage { text, policy: with_look.unwrap_or(own) }
}
