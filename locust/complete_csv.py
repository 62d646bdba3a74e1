"""Locust's CSV files, complete at the end of a run.

Locust rewrites them once a second and leaves the last second out, so that they would contradict its report;
and its writer, which may wake once more after the files are closed, would end the log with a traceback.
"""

from locust.stats import StatsCSVFileWriter


def mend() -> None:
    """Make Locust's writer do so; once, before the run."""
    write, close = StatsCSVFileWriter.stats_writer, StatsCSVFileWriter.close_files

    def stats_writer(self: StatsCSVFileWriter) -> None:
        try:
            write(self)
        except ValueError:
            if not self.requests_csv_filehandle.closed:
                raise

    def close_files(self: StatsCSVFileWriter) -> None:
        for file, rows, writer in (
            (self.requests_csv_filehandle, self.requests_csv, self.requests_csv_writer),
            (self.failures_csv_filehandle, self.failures_csv, self.failures_csv_writer),
        ):
            file.seek(0)
            file.truncate()
            rows(writer)
        close(self)

    StatsCSVFileWriter.stats_writer = stats_writer
    StatsCSVFileWriter.close_files = close_files
