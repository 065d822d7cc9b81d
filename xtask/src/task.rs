//! What the command line asks for.

/// A command with its arguments.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Task {
    Help,
    Test {
        install: bool,
        filters: Vec<String>,
    },
    Ci,
    /// A benchmark by its name; `long` takes more time for larger sizes.
    Bench {
        name: String,
        long: bool,
    },
}

impl Task {
    /// Reads the arguments; the error says what is wrong with them.
    pub(crate) fn parse(args: &[String]) -> Result<Self, String> {
        if args.iter().any(|arg| ["--help", "-h", "help"].contains(&arg.as_str())) {
            return Ok(Self::Help);
        }
        match args.split_first().map(|(name, rest)| (name.as_str(), rest)) {
            None => Err("which command?".into()),
            Some(("test", rest)) => Self::test(rest),
            Some(("ci", [])) => Ok(Self::Ci),
            Some(("ci", [first, ..])) => Err(format!("ci takes no arguments, and so not {first:?}")),
            Some(("bench", rest)) => Self::bench(rest),
            Some((other, _)) => Err(format!("there is no command {other:?}")),
        }
    }

    fn bench(args: &[String]) -> Result<Self, String> {
        let (options, names): (Vec<_>, Vec<_>) = args.iter().partition(|arg| arg.starts_with('-'));
        match (&names[..], options.iter().find(|option| **option != "--long")) {
            (_, Some(unknown)) => Err(format!("bench has no option {unknown:?}")),
            ([name], None) => Ok(Self::Bench { name: (*name).clone(), long: !options.is_empty() }),
            _ => Err("bench takes one name".into()),
        }
    }

    fn test(args: &[String]) -> Result<Self, String> {
        let (options, filters): (Vec<_>, Vec<_>) = args.iter().cloned().partition(|arg| arg.starts_with('-'));
        match options.iter().find(|option| *option != "--install") {
            Some(unknown) => Err(format!("test has no option {unknown:?}")),
            None => Ok(Self::Test { install: !options.is_empty(), filters }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Task, String> {
        Task::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn the_commands_are_understood() {
        assert_eq!(parse("ci"), Ok(Task::Ci));
        assert_eq!(parse("test"), Ok(Task::Test { install: false, filters: vec![] }));
        let filtered = Task::Test { install: true, filters: vec!["queue".into(), "ledger".into()] };
        assert_eq!(parse("test queue --install ledger"), Ok(filtered));
        assert_eq!(parse("test --help"), Ok(Task::Help));
        assert_eq!(parse("bench queue --long"), Ok(Task::Bench { name: "queue".into(), long: true }));
    }

    #[test]
    fn what_is_not_understood_is_told_and_nothing_runs() {
        assert_eq!(parse("tset"), Err("there is no command \"tset\"".into()));
        assert_eq!(parse("test --instal"), Err("test has no option \"--instal\"".into()));
        assert_eq!(parse("ci now"), Err("ci takes no arguments, and so not \"now\"".into()));
        assert_eq!(parse("bench --short line"), Err("bench has no option \"--short\"".into()));
        assert_eq!(parse("bench"), Err("bench takes one name".into()));
        assert!(parse("").is_err());
    }
}
