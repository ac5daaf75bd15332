/** The soak starts the same servers, from its compiled twin. */
export {
  missingService,
  startServices,
  type ServiceName,
  type Services,
  type ServicesOptions,
} from '../../soak/services.js'
