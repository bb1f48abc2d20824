complete --keep-order --exclusive --command ayactl --arguments "(COMPLETE=fish ayactl -- (commandline --current-process --tokenize --cut-at-cursor) (commandline --current-token))"
