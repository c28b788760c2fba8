main "$@"
exit $?
