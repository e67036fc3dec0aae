"""The texts for operators, in their language: one catalogue for the command line, the API, `why` and the runbook.

`catalogue` reads the texts (`locale/en.po`, `locale/ko.po`), `alerts` makes sentences from an alert's facts, `commands`
makes a command from an action. Only entrances and `usecases/reading` use it: rules use kinds, facts and actions.
"""
