from firn_sklearn.worker import main

main()
