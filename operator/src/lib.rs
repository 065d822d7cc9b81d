//! The control room: operators open, close, pause and set the pace of events. It sees the book, never the line.
