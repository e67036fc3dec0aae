"""What operators read, in their language: one catalogue for the command line, the API, `why` and the runbook.

`catalogue` reads the texts (`locale/en.po`, `locale/ko.po`), `alerts` makes sentences of an alert's facts, `commands`
makes a command of an action. Only entrances and `usecases/reading` use it: rules know kinds, facts and actions.
"""
